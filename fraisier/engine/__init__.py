"""The verbs: what can be asked of Fraisier, and how one deployment is carried out."""

"""What Fraisier is about, in the standard library only: no database, no Ansible, no terminal."""

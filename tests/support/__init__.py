"""What the tests share: lab hosts, repositories with versions of an application, the command."""

"""What a study is made of, read from its YAML file and checked before anything is loaded."""

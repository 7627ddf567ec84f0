"""Models and classifiers of other projects, downloaded from package registries when they are used."""

"""The container engine: images, containers, networks, volumes, builds. The only user of the docker SDK."""

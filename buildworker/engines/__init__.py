"""The engines that build images, one file each, and what they share."""

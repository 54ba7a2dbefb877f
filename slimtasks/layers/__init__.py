"""Which files images share, a layer each: members, the plan of all images, the lock, and what one image uses of it."""

"""Who owns which file: the distribution's packages, what they depend on, and the trees of languages."""

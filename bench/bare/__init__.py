"""Hand-written loops on the engines themselves, without any queue library: the limits.

Each is as good as the engine allows for what it claims to be; none knows anything of pulpo.
"""

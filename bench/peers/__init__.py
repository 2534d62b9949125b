"""Other Python job libraries under one ruler with pulpo, each with its own server and environment.

`libraries/` holds their jobs and producers: run in their environments, which see this folder but
not pulpo's dependencies. All else runs here. Rates come from the stamps that the jobs leave in a
mapped file, so they are of the workers' own clock, alike for all.
"""

from setuptools import setup
from setuptools.command.egg_info import manifest_maker

# Without it, the sdist has those tests whose names setuptools knows, and not what they need.
manifest_maker.template = "docs/MANIFEST.in"

setup()

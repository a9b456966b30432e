"""Build step: put a copy of the project (project.yml, configs, sample) into the package. All settings are in setup.cfg.

An installation without a clone has them, too. In a clone, `spacy_crossner.projects.template` reads the originals.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
TEMPLATE = ("project.yml", "configs/*.cfg", "assets/sample/**/*")


class BuildWithTemplate(build_py):
    """Copies the files of the project to `spacy_crossner/template/`."""

    def run(self) -> None:
        """Build the package, and copy the files unless it is installed as editable."""
        super().run()
        if not self.editable_mode:
            for source, target in self.template_files():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def template_files(self):
        """Return source and target of each file."""
        folder = Path(self.build_lib) / "spacy_crossner" / "template"
        sources = sorted(path for pattern in TEMPLATE for path in ROOT.glob(pattern) if path.is_file())
        return [(path, folder / path.relative_to(ROOT)) for path in sources]

    def get_outputs(self, include_bytecode=True):
        """Return the built files, those of the template among them."""
        copied = [] if self.editable_mode else [str(target) for _, target in self.template_files()]
        return [*super().get_outputs(include_bytecode), *copied]


setup(cmdclass={"build_py": BuildWithTemplate})

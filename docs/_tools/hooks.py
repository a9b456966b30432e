"""Hooks of the build of the docs: they add the generated pages of the reference."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reference import cli_page, config_page

PAGES = {"reference/cli.md": cli_page, "reference/config.md": config_page}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the files of the site."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files

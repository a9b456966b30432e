"""`init`: look at a folder, say what is in it, ask what is not clear, and write the project."""

from pathlib import Path
from typing import Callable, List, Optional, Sequence

from wasabi import msg, table

from ..errors import CrossnerError, Errors
from .estimate import describe_time
from .inspection import Found, Labelled, Names, RawText, inspect
from .page import write_project
from .plan import Plan, make_plan

# Asks a question, given a text and the default answer, and returns the answer.
Ask = Callable[[str, str], str]
# Labels, types, and problems of a set that are shown.
SHOWN = 12


def start_project(
    source_folder: Path,
    folder: Path,
    *,
    target: Optional[Path] = None,
    source: Optional[Path] = None,
    domain: str = "",
    encoder: str = "",
    lang: str = "en",
    gpu_id: int = -1,
    ask: Optional[Ask] = None,
    force: bool = False,
) -> Plan:
    """Look at the files of a folder, and write the project that fits them.

    source_folder (Path): the folder with the user's files.
    folder (Path): the folder of the project.
    target, source (Optional[Path]), domain (str): see `make_plan`.
    encoder (str): the encoder; "" for MiniLM.
    lang (str): the language of the text.
    gpu_id (int): GPU, -1 for the CPU.
    ask (Optional[Ask]): asks the user; None to ask nothing.
    force (bool): replace the files of a project that is there.
    RETURNS (Plan): what was decided.
    RAISES (CrossnerError): there is no labelled text, it is not clear which one is that of the domain, or the folder
        has a project.
    """
    if (folder / "project.yml").exists() and not force:
        raise CrossnerError(Errors.C654.format(path=folder / "project.yml"))
    found = inspect(source_folder, lang)
    print(describe(found, source_folder))
    if ask and target is None and source is None:
        target = _ask_for_target(found, source_folder, ask)
    plan = make_plan(found, source_folder, target=target, source=source, domain=domain)
    plan.lang, plan.gpu_id, plan.encoder = lang, gpu_id, encoder or plan.encoder
    for note in plan.notes:
        msg.info(note)
    if ask:
        _ask_for_more(plan, ask, asks_encoder=not encoder)
    print(describe_plan(plan))
    raw = {each.path: each.words for each in found if isinstance(each, RawText)}
    print(describe_time(plan, sum(raw[path] for path in plan.raw)))
    write_project(plan, folder)
    return plan


def describe(found: Sequence[Found], folder: Path) -> str:
    """Return what was found, as a table, and the types and problems of labelled text as lines."""
    rows, lines = [], []
    for each in found:
        name = str(each.path.relative_to(folder)) if each.path != folder else each.path.name
        if isinstance(each, Labelled):
            sizes = ", ".join(f"{split} {size:,}" for split, size in each.sizes.items())
            rows.append((name, f"labelled text ({each.format})", f"{sizes} sentences"))
            lines += _details(name, each)
        elif isinstance(each, RawText):
            rows.append((name, "raw text", f"{each.lines:,} lines, {each.words:,} words"))
        elif isinstance(each, Names):
            kinds = f"{len(each.types)} types" if each.types else "no types"
            rows.append((name, "list of names", f"{each.count:,} names, {kinds}"))
        else:
            rows.append((name, "not used", ""))
            lines.append(each.problem)
    return table(rows, header=("file", "what it is", "size"), divider=True) + "\n".join(lines)


def _details(name: str, labelled: Labelled) -> List[str]:
    """Return lines about labelled text: its types, shared sentences, repairs and warnings."""
    most = labelled.entities.most_common()
    types = ", ".join(f"{label} {count:,}" for label, count in most[:SHOWN])
    more = f" and {len(most) - SHOWN} more" if len(most) > SHOWN else ""
    lines = [f"{name}: {sum(labelled.entities.values()):,} entities of {len(most)} types: {types}{more}"]
    lines += [f"{name}: {n:,} sentences of {split} are also in train" for split, n in labelled.shared.items()]
    for file in labelled.conversion.files:
        lines += [f"{name}: {count:,} {what}" for what, count in file.source.faults.notes.items()]
    return lines + [f"{name}: {warning}" for warning in labelled.conversion.warnings]


def describe_plan(plan: Plan) -> str:
    """Return what the project will use, one line for each part."""
    sizes = plan.labelled.sizes
    drawn = ["test"] if plan.has_dev and "test" not in sizes else []
    lines = [f"domain       {plan.domain}: {plan.labelled.path}"]
    if drawn:
        lines.append("             test: a fifth of the sentences, drawn")
    if not plan.has_dev:
        lines.append("             dev: none; five folds of the sentences take its place")
        if not plan.source and (plan.raw or plan.names):
            lines.append("             raw text and names are not used: without a dev set they need a source")
    lines.append(f"source       {plan.source.path if plan.source else 'none'}")
    lines.append(f"raw text     {', '.join(map(str, plan.raw)) or 'none'}")
    lines.append(f"names        {plan.names.path if plan.names else 'none'}")
    mapped = plan.type_map
    if mapped:
        pairs = ", ".join(f"{type_} -> {label or '(kept)'}" for type_, label in list(mapped.items())[:SHOWN])
        lines.append(f"             types of the list: {pairs}; change them in type_map.tsv")
    lines.append(f"encoder      {plan.encoder} on {'the CPU' if plan.gpu_id < 0 else f'GPU {plan.gpu_id}'}")
    return "\n" + "\n".join(lines)


def _ask_for_target(found: Sequence[Found], folder: Path, ask: Ask) -> Optional[Path]:
    """Ask which labelled text is that of the domain, if there are several."""
    sets = [each for each in found if isinstance(each, Labelled)]
    if len(sets) < 2:
        return None
    try:
        default = make_plan(found, folder).labelled
    except CrossnerError:
        default = sets[0]
    paths = [str(each.path) for each in sets]
    answer = ask(f"Which is the labelled text of your domain? {', '.join(paths)}", str(default.path))
    return Path(answer)


def _ask_for_more(plan: Plan, ask: Ask, *, asks_encoder: bool) -> None:
    """Ask for the name of the domain and for the encoder."""
    plan.domain = ask("Name of the domain", plan.domain)
    if plan.source and ask(f"Train on {plan.source.path} first? (y/n)", "y").lower().startswith("n"):
        plan.source = None
    if plan.names and ask(f"Use the list {plan.names.path}? (y/n)", "y").lower().startswith("n"):
        plan.names = None
    if asks_encoder:
        plan.encoder = ask("Encoder (folder, folder in a package, or name on the Hugging Face hub)", plan.encoder)

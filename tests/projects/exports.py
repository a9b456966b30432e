"""Labelled sentences in the forms in which annotation tools export them."""

import json

TEXTS = [f"Ada met {name} in Oslo ." for name in ("Grace", "Alan", "Edsger", "Barbara", "Ken", "Lin", "Joan", "Max")]


def entities_of(text):
    """Return start, end and label of the names of a sentence."""
    words = text.split()
    starts = [(text.index(words[0]), words[0], "person"), (text.index(words[2]), words[2], "person")]
    starts.append((text.index("Oslo"), "Oslo", "place"))
    return [(start, start + len(word), label) for start, word, label in starts]


def prodigy():
    return "\n".join(
        json.dumps(
            {
                "text": text,
                "spans": [{"start": start, "end": end, "label": label} for start, end, label in entities_of(text)],
                "answer": "accept",
            }
        )
        for text in TEXTS
    )


def doccano():
    return "\n".join(
        json.dumps({"id": i, "text": text, "label": [list(ent) for ent in entities_of(text)]})
        for i, text in enumerate(TEXTS)
    )


def label_studio():
    tasks = []
    for i, text in enumerate(TEXTS):
        results = [
            {
                "id": f"{i}-{start}",
                "type": "labels",
                "from_name": "label",
                "to_name": "text",
                "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]},
            }
            for start, end, label in entities_of(text)
        ]
        tasks.append({"id": i, "data": {"text": text}, "annotations": [{"id": i, "result": results}]})
    return json.dumps(tasks)


def spacy_v2():
    return json.dumps([[text, {"entities": [list(ent) for ent in entities_of(text)]}] for text in TEXTS])


def columns():
    blocks = []
    for text in TEXTS:
        starts = {start: label for start, _, label in entities_of(text)}
        rows, place = [], 0
        for word in text.split():
            rows.append(f"{word}\t{'B-' + starts[place] if place in starts else 'O'}")
            place += len(word) + 1
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def markup():
    lines = []
    for text in TEXTS:
        for start, end, label in reversed(entities_of(text)):
            text = f"{text[:start]}[{text[start:end]}]({label}){text[end:]}"
        lines.append(text)
    return "\n".join(lines) + "\n"


def hugging_face():
    rows = []
    for text in TEXTS:
        starts = {start: label for start, _, label in entities_of(text)}
        words, place, tags = text.split(), 0, []
        for word in words:
            tags.append(f"B-{starts[place]}" if place in starts else "O")
            place += len(word) + 1
        rows.append(json.dumps({"tokens": words, "ner_tags": tags}))
    return "\n".join(rows)


# The name of the file and its content.
EXPORTS = {
    "prodigy": ("export.jsonl", prodigy),
    "doccano": ("all.jsonl", doccano),
    "label-studio": ("project-1-at-2026.json", label_studio),
    "spacy": ("training.json", spacy_v2),
    "columns": ("sentences.conll", columns),
    "markup": ("sentences.txt", markup),
    "hugging-face": ("rows.jsonl", hugging_face),
}


def write_brat(folder):
    """Write the sentences as a folder of brat's files."""
    folder.mkdir(parents=True)
    for i, text in enumerate(TEXTS):
        (folder / f"{i}.txt").write_text(text + "\n")
        lines = [
            f"T{n}\t{label} {start} {end}\t{text[start:end]}"
            for n, (start, end, label) in enumerate(entities_of(text), start=1)
        ]
        (folder / f"{i}.ann").write_text("\n".join(lines) + "\n")

"""Stories with and without a flaw, and the message about it: the same in Python and in the page."""

from zatlas.site.story import MAX_STEPS, MAX_STORY, MAX_TITLE

HEAD = "---\ntitle: Two places\n---\n\n"
STEP = "## Look\n\n[Show](#pins=r0)\n\nText.\n"
GOOD = """---
title: Two places
about: What lies *between*
needs: decoder, images
---

## Look at A

[Show](#pins=r0&layer=points)

A paragraph of two
lines, with *emphasis*, **strong** text, `<code>` and [a link](https://example.org/page?a=1#b).

Another one: 2 * 3 * 4 < 25{if images:  and {dimensions}}{if not images:  or less}.

Question: What comes next?

- [ ] Nothing
- [x] Another step

> Right: the step
> below.

## Stay

This step has no state.
"""
TOO_LONG = HEAD + STEP + "x" * MAX_STORY
MARKUP = "HTML is not possible; write *emphasis*, **strong** text, `code` or a link."
CONDITION = "a condition is {if NAME: TEXT} or {if not NAME: TEXT}; docs/stories.md lists the names."
ADDRESS = "a link leads to an address with https:// or http://."
FLAWED: dict[str, tuple[str, str]] = {
    "empty": ("", "Line 1: a story starts with a line ---, then title: NAME, then another line ---."),
    "no end of the front matter": (
        "---\ntitle: A\n",
        "Line 1: a story starts with a line ---, then title: NAME, then another line ---.",
    ),
    "no title": (f"---\nabout: A\n---\n{STEP}", "Line 1: the front matter has no title; write title: NAME."),
    "another key": (
        f"---\ntitle: A\nscript: x\n---\n{STEP}",
        "Line 3: the front matter holds title:, about: and needs: only.",
    ),
    "a key of an object": (
        f"---\ntitle: A\n__proto__: x\n---\n{STEP}",
        "Line 3: the front matter holds title:, about: and needs: only.",
    ),
    "a key twice": (f"---\ntitle: A\ntitle: B\n---\n{STEP}", "Line 3: title: occurs twice."),
    "another need": (
        f"---\ntitle: A\nneeds: decoder, network\n---\n{STEP}",
        "Line 3: a story can need autoencoder, charts, classes, correlated, decoder, dimensions, direction, "
        "exclusive, gap, images, points, prior, shell, uncorrelated, and nothing else.",
    ),
    "a long title": (
        f"---\ntitle: {'A' * (MAX_TITLE + 1)}\n---\n{STEP}",
        f"Line 2: shorten this to {MAX_TITLE} characters.",
    ),
    "no steps": (HEAD, "The story has no steps; a step starts with ## and its title."),
    "too many steps": (
        HEAD + STEP * (MAX_STEPS + 1),
        f"The story has more than {MAX_STEPS} steps; split it.",
    ),
    "text before the first step": (
        f"{HEAD}Hello.\n{STEP}",
        "Line 5: a step starts with ## and its title; there is no text before the first one.",
    ),
    "another heading": (
        f"{HEAD}{STEP}\n### More\n",
        "Line 11: a step starts with ## and its title; there are no other headings.",
    ),
    "a step without text": (f"{HEAD}## Look\n\n[Show](#pins=r0)\n", "Line 5: the step has no text."),
    "two states": (f"{HEAD}{STEP}[Show](#pins=r1)\n", "Line 10: a step has one state."),
    "a list": (
        f"{HEAD}{STEP}- one\n",
        "Line 10: a list holds the choices of a question, each as - [ ] TEXT.",
    ),
    "choices without a question": (
        f"{HEAD}{STEP}- [ ] one\n",
        "Line 10: write Question: and its text above the choices and the answer.",
    ),
    "one choice": (f"{HEAD}{STEP}Question: Which?\n- [ ] one\n", "Line 5: a question has 2 to 8 choices."),
    "text after a question": (
        f"{HEAD}{STEP}Question: Which?\n- [ ] one\n- [x] two\nMore.\n",
        "Line 13: write > before the answer to a question; other text comes before it.",
    ),
    "a script": (f"{HEAD}{STEP}<script>alert(1)</script>\n", f"Line 10: {MARKUP}"),
    "an event": (f"{HEAD}{STEP}<img src=x onerror=alert(1)>\n", f"Line 10: {MARKUP}"),
    "a comment": (f"{HEAD}{STEP}<!-- x -->\n", f"Line 10: {MARKUP}"),
    "markup in a title": (f"{HEAD}## <b>A</b>\n\nText.\n", f"Line 5: {MARKUP}"),
    "markup in a choice": (f"{HEAD}{STEP}Question: Which?\n- [ ] <b>\n- [ ] b\n", f"Line 11: {MARKUP}"),
    "a link that is a program": (f"{HEAD}{STEP}[a](javascript:alert%281%29)\n", f"Line 10: {ADDRESS}"),
    "a link that is data": (f"{HEAD}{STEP}[a](data:text/html,x)\n", f"Line 10: {ADDRESS}"),
    "a link to a file": (f"{HEAD}{STEP}[a](file:///etc/passwd)\n", f"Line 10: {ADDRESS}"),
    "a relative link": (f"{HEAD}{STEP}[a](//example.org)\n", f"Line 10: {ADDRESS}"),
    "a link with a quote": (f'{HEAD}{STEP}[a](https://example.org/"x)\n', f"Line 10: {ADDRESS}"),
    "an image": (
        f"{HEAD}{STEP}![a](https://example.org/a.png)\n",
        "Line 10: a story has no images of its own; the page shows those of the run.",
    ),
    "an unknown condition": (f"{HEAD}{STEP}A {{if magic: b}} c.\n", f"Line 10: {CONDITION}"),
    "a condition without an end": (f"{HEAD}{STEP}A {{if images: b\n", f"Line 10: {CONDITION}"),
    "a condition without a text": (f"{HEAD}## {{if images}}\n\nText.\n", f"Line 5: {CONDITION}"),
    "a control character": (f"{HEAD}{STEP}a\0b\n", "Line 10: remove the control character U+0000."),
    "text from right to left": (f"{HEAD}{STEP}a\u202eb\n", "Line 10: remove the control character U+202E."),
    "too long": (TOO_LONG, f"The story has more than {MAX_STORY:,} characters; shorten it."),
}

"""The label of a tab stays before its content, so that the code of one tab is not taken for that of another."""

from __future__ import annotations

import pytest

from tercet.ingestion.parsers import parse

MATERIAL = (
    '=== "Linux"\n\n    ```sh\n    apt install x\n    ```\n\n=== "macOS"\n\n    ```sh\n    brew install x\n    ```\n'
)
BLOCKS = "/// tab | Linux\n```sh\napt install x\n```\n///\n\n/// tab | macOS\n```sh\nbrew install x\n```\n///\n"
MYST = """\
::::{tab-set}
:::{tab-item} Linux
```sh
apt install x
```
:::
:::{tab-item} macOS
```sh
brew install x
```
:::
::::
"""
MDX = """\
<Tabs>
<TabItem value="linux" label="Linux" default>

```sh
apt install x
```

</TabItem>
<TabItem value="macOS">

```sh
brew install x
```

</TabItem>
</Tabs>
"""
DESIGN = """\
.. tab-set::

   .. tab-item:: Linux
      :sync: linux

      .. code-block:: sh

         apt install x

   .. tab-item:: macOS

      .. code-block:: sh

         brew install x
"""
SPHINX_TABS = (
    ".. tabs::\n\n"
    "   .. code-tab:: sh Linux\n\n      apt install x\n\n"
    "   .. code-tab:: sh macOS\n\n      brew install x\n"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", MATERIAL),
        ("b.md", BLOCKS),
        ("c.md", MYST),
        ("d.mdx", MDX),
        ("e.rst", DESIGN),
        ("f.rst", SPHINX_TABS),
    ],
)
def test_each_label_stands_directly_before_the_code_of_its_tab(name: str, text: str) -> None:
    document = parse(text.encode(), name=name)
    blocks = [(block.kind, document.text[block.start : block.end]) for block in document.blocks]
    codes = [index for index, (kind, _) in enumerate(blocks) if kind == "code"]
    assert len(codes) == 2
    for index, label, command in zip(codes, ("Linux", "macOS"), ("apt", "brew"), strict=True):
        assert label in blocks[index - 1][1]
        assert command in blocks[index][1]

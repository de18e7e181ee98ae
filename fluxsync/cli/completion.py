"""``fluxsync completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    r"""Print a script by which a shell completes commands and options.

    \b
    bash:  eval "$(fluxsync completion bash)"        in ~/.bashrc
    zsh:   eval "$(fluxsync completion zsh)"         in ~/.zshrc
    fish:  fluxsync completion fish | source         in ~/.config/fish/config.fish
    """
    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root.command, {}, "fluxsync", "_FLUXSYNC_COMPLETE").source())

"""Completion of commands, options, models and tasks in a shell."""

from dataclasses import fields
from importlib import import_module

from tvsight.config import RunConfig
from tvsight.errors import UsageError, option
from tvsight.experiments import EXPERIMENTS

BASH = """\
_tvsight() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" words option=""
    local n=$COMP_CWORD
    while (( --n > 1 )) && [[ -z $option ]]; do
        [[ ${{COMP_WORDS[n]}} == --* ]] && option="${{COMP_WORDS[n]}}"
    done
    case "$COMP_CWORD:$option:$current" in
        1:*) words="{commands}" ;;
        *:--model:[^-]*|*:--model:) words="{models}" ;;
        *:--tasks:[^-]*|*:--tasks:) words="{tasks}" ;;
        *:-*) case "${{COMP_WORDS[1]//-/_}}" in
{by_command}
        esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ -n $words ]] || COMPREPLY=($(compgen -f -- "$current"))
}}
complete -F _tvsight tvsight
"""
ZSH = "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n"
FISH_COMMAND = "complete -c tvsight -f -n __fish_use_subcommand -a '{commands}'\n"
FISH_OPTION = "complete -c tvsight -n '__fish_seen_subcommand_from {command}' -l {option}{values}\n"


def script(shell: str, commands: list[str]) -> str:
    """The text that a shell reads to complete `tvsight`.

    Args:
        shell: `bash`, `zsh` or `fish`.
        commands: as they are typed.

    Raises:
        UsageError: for another shell.
    """
    from tvsight.models.catalogue import catalogue
    from tvsight.tasks import CATEGORIES, packaged_tasks

    models = " ".join(catalogue())
    tasks = " ".join(["paper", "all", "none", *CATEGORIES, *packaged_tasks()])
    if shell == "fish":
        values = {"model": f" -x -a '{models}'", "tasks": f" -x -a '{tasks}'"}
        lines = [FISH_COMMAND.format(commands=" ".join(commands))]
        lines += [
            FISH_OPTION.format(command=name, option=typed[2:], values=values.get(typed[2:], ""))
            for command, options in _options().items()
            for name in [command.replace("_", "-")]
            for typed in options
        ]
        return "".join(lines)
    if shell not in ("bash", "zsh"):
        raise UsageError(f"completion: {shell!r} is none of bash, zsh and fish.")
    by_command = "\n".join(
        f'            {command}) words="{" ".join(options)}" ;;'
        for command, options in _options().items()
    )
    bash = BASH.format(
        commands=" ".join(commands), models=models, tasks=tasks, by_command=by_command
    )
    return ZSH + bash if shell == "zsh" else bash


def _options() -> dict[str, list[str]]:
    """The options of each command that measures."""
    kinds = {name: import_module(f"tvsight.experiments.{name}").Options for name in EXPERIMENTS}
    return {
        name: [_typed(entry.name, entry.default) for entry in fields(kind)]
        for name, kind in {**kinds, "all": RunConfig}.items()
    }


def _typed(name: str, default: object) -> str:
    return option(name, not default if isinstance(default, bool) else None)

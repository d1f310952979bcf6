"""How a run looks while it trains: a live display for a person, a few plain lines for a pipe."""

from __future__ import annotations

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nnexp.cli.console import err, say, watched
from nnexp.report.numbers import duration, logarithms, score, sparkline

if TYPE_CHECKING:
    from nnexp.engine.experiment import Experiment
    from nnexp.engine.trainer import Row, Tick, Trainer

LINES = 10
"""About how many lines a run prints where nobody watches."""


class Progress:
    """Watches a trainer: call it with each event."""

    def __init__(self, experiment: Experiment, title: str):
        self.experiment, self.title = experiment, title
        self.rows: list[dict[str, Any]] = []
        self.started = monotonic()
        self.first_step = 0
        self._live: Any = None
        self._painted = 0.0
        self._told = 0.0
        """The epoch of the last line."""

    def __enter__(self) -> Progress:
        console = err()
        if watched(console):
            from rich.live import Live

            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def preparing(self) -> None:
        """The loops are being loaded, or compiled where this machine has not run them before."""
        if self._live is not None:
            from rich.text import Text

            text = "loading the fused loops (compiled once on a machine, a few seconds) ..."
            self._live.update(Text(text, style="dim"), refresh=True)

    def __call__(self, trainer: Trainer, event: Row | Tick) -> None:
        values = getattr(event, "values", None)
        if values is not None:
            if not self.rows:
                self.started, self.first_step = monotonic(), trainer.learner.t
            self.rows.append(values)
        if self._live is None:
            if values is not None and self._due(values["epoch"], trainer.total_epochs):
                say(self._line(values, trainer.total_epochs))
            return
        now = monotonic()
        if now - self._painted > 0.1:
            self._painted = now
            self._live.update(self._display(trainer), refresh=True)

    def _due(self, epoch: float, total: int) -> bool:
        """Whether a row has a line of its own: about LINES have, those within epochs where there are few epochs."""
        if isinstance(epoch, float):
            due = epoch - self._told >= total / LINES
        else:
            due = epoch in (0, 1, total) or epoch % max(total // LINES, 1) == 0
        if due:
            self._told = epoch
        return due

    def _line(self, values: dict[str, Any], total: int) -> str:
        shown = [f"{name} {score(values[name])}" for name in self._scores()]
        epoch, wide = values["epoch"], len(str(total)) + (3 if self.experiment.config.monitor.updates else 0)
        text = f"{epoch:.2f}" if isinstance(epoch, float) else str(epoch)
        return f"epoch {text:>{wide}}/{total}  " + "  ".join(shown)

    def _scores(self) -> list[str]:
        """The columns worth showing: losses and the first metric of each split."""
        first = self.experiment.metrics[0].name
        names = [f"{split}_{what}" for split in self.experiment.splits for what in ("loss", first)]
        return names or ["batch_loss"]

    def _display(self, trainer: Trainer) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        done, total = trainer.learner.t, trainer.total_steps
        elapsed = monotonic() - self.started
        rate = (done - self.first_step) / elapsed if elapsed > 0 else 0.0
        left = (total - done) / rate if rate else None
        head = Table.grid(padding=(0, 2))
        epoch = min(trainer.epoch, trainer.total_epochs)
        head.add_row(
            Text(self.title, style="bold"),
            ProgressBar(total=total, completed=done, width=24),
            Text(f"epoch {epoch}/{trainer.total_epochs}" if epoch else "pre-training"),
            Text(f"{rate:,.0f} steps/s", style="dim"),
            Text(f"{duration(left)} left", style="dim"),
        )
        body = Table.grid(padding=(0, 2))
        for name in self._scores():
            curve = [row[name] for row in self.rows]
            latest = next((v for v in reversed(curve) if v is not None), None)
            shape = logarithms(curve) if name.endswith("loss") else curve
            body.add_row(Text(f"  {name}"), Text(score(latest)), Text(sparkline(shape, 32), style="cyan"))
        return Group(head, body)

"""Train both sides on the same batches, judge each of them, and measure.

Both train freely from the same weights. Every judged step of either is certified from that side's own state; how far
the two drift apart is recorded and not judged.
"""

import re
from collections.abc import Callable, Iterator
from time import perf_counter

import numpy as np
import numpy.typing as npt

from contract import Array, Parameter, Target, Trainer
from handgrad.errors import one_line
from handgrad.experiments import Data, Experiment
from handgrad.experiments.score import confusion_matrix, predicted_classes, true_classes
from handgrad.judge import StepJudge
from handgrad.machine.environment import environment, one_thread
from handgrad.stopping import Stop, interruptible
from handgrad.training.prepared import Prepared
from handgrad.training.record import EpochRecord, Moment, Run, SideRun
from handgrad.training.saving import Saving, changes, take_over, tree_of
from handgrad.training.sides import build, build_pair
from handgrad.training.written_out import WrittenOut, program, quick

DEVICES = ("cpu", "cuda", "mps", "xpu")
GRID_POINTS = 101  # per axis, as in source 003
GRID_MARGIN = 0.15  # of the data's range, on each side
MOMENTS = 12  # of which the parameters are kept for the report;
SMALL = 1_000  # parameters: of a net with so few another one between each two of them
RECORDED = 6_000_000  # numbers at most in all of them
TIMED = 20  # first steps, which are the trainers' own even where they are not judged: "time per step" is theirs


class TrainingError(RuntimeError):
    """A step that could not be done. The message is one line."""


def prepare(experiment: Experiment, device: str = "cpu") -> Prepared:
    """Make the data, check it, and build both sides.

    Raises ValueError for data that is not finite or of another shape than `Data` says, for a dtype or device that does
    not exist, and for whatever a side or the judge refuses.
    """
    with np.errstate(over="ignore"):
        if not np.isfinite(np.dtype(experiment.dtype).type(experiment.lr)):
            raise ValueError(f"lr must be finite in {experiment.dtype}; got {experiment.lr!r}")
    if not re.fullmatch(rf"({'|'.join(DEVICES)})(:[0-9]{{1,4}})?", device):
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, or numbered as in cuda:0; got {device!r:.60}")
    data = experiment.data(experiment.seed).checked()
    cast = {name: _cast(array, experiment.dtype) for name, array in data.arrays().items()}
    for name, array in cast.items():
        refuse_non_finite(name, array)
    trainers = build_pair(experiment, data, device)
    _rehearse(experiment, data, cast, trainers)
    return Prepared(experiment, data, cast, trainers, device)


def _rehearse(
    experiment: Experiment, data: Data, cast: dict[str, Array | Target], trainers: dict[str, Trainer]
) -> None:
    """Refuse now what training would refuse later: an op without a rule, a net or a loss that the data do not fit."""
    metric = experiment.expect.metric
    if metric.endswith("accuracy") and data.classes is None:
        raise ValueError(f"{experiment.name} expects a {metric}, and its data have no classes")
    if metric.startswith("test") and data.x_test is None:
        raise ValueError(f"{experiment.name} expects a {metric}, and its data hold nothing out")
    if data.y_train.ndim == 1:
        for name, target in ((name, array) for name, array in cast.items() if name.startswith("y")):
            outputs = len(data.classes) if data.classes else int(data.y_train.max()) + 1
            if target.min() < 0 or target.max() >= outputs:
                raise ValueError(f"data: {name} must be from 0 to {outputs - 1}; got {target.min()} to {target.max()}")
    for trainer in trainers.values():
        StepJudge(trainer.model, trainer.loss, trainer.optimizer)
        with np.errstate(all="ignore"):
            trainer.loss.forward(output_of(trainer, cast["x_train"][:1]), cast["y_train"][:1])


def refuse_non_finite(name: str, array: npt.NDArray[np.generic]) -> None:
    """ValueError naming the first entry of `array` that is NaN or infinite: it would spread to every weight."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    entry = ", ".join(map(str, index))
    raise ValueError(f"data must be finite; {name}[{entry}] is {array[index]} in {array.dtype}")


def train(
    prepared: Prepared,
    command: str = "",
    on_step: Callable[[Run], None] | None = None,
    pictures: bool = True,
    saving: Saving | None = None,
    finite: bool = False,
) -> Run:
    """Train and judge both sides, each on one thread; `on_step` sees the run after every step.

    With `pictures`, what only the report needs is recorded as well: the moments, the copy one ulp apart, the step
    written out. Nothing else depends on these. Steps of the NumPy side that are not judged are made by such programs
    where there are many: the numbers are the same to the last bit.

    The first Ctrl-C or SIGTERM ends training after the step in progress, and the run so far is returned with
    `interrupted` set. With `saving` checkpoints are written on the way, and training goes on from the one that it has
    read: what is returned is that of a run which nothing stopped, times apart. With `finite` the first loss that is not
    ends training as well, and `diverged` is set.
    """
    experiment, data = prepared.experiment, prepared.data
    with one_thread(), np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        run = Run(
            experiment=experiment,
            data=data,
            sides={side: SideRun(side) for side in prepared.trainers},
            environment=environment(prepared.device, experiment.dtype),
            command=command,
            steps_planned=prepared.steps,
        )
        with interruptible() as stop:
            _train(run, prepared, stop, on_step, pictures, saving, finite)
        _finish(run, prepared)
        if pictures:
            rows = next(batches(prepared))
            x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
            run.program = program(prepared.trainers["scratch"], x, y)
    return run


def _train(
    run: Run,
    prepared: Prepared,
    stop: Stop,
    on_step: Callable[[Run], None] | None,
    pictures: bool,
    saving: Saving | None,
    finite: bool,
) -> None:
    trainers = prepared.trainers
    judges = {side: StepJudge(trainer.model, trainer.loss, trainer.optimizer) for side, trainer in trainers.items()}
    weights = [[weight for _, weight in trainer.model.named_parameters()] for trainer in trainers.values()]
    every = prepared.experiment.judge_every
    steppers = {side: quick(trainer, prepared.steps - prepared.steps // every) for side, trainer in trainers.items()}
    copy = one_ulp_copy(prepared) if pictures else None
    copied = None if copy is None else quick(copy, prepared.steps)
    copies = None if copy is None else [weights[0], [weight for _, weight in copy.model.named_parameters()]]
    shuffles = _shuffles(prepared)
    kept = moments(run.steps_planned, sum(weight.data.size for weight in weights[0])) if pictures else set()
    done = 0
    if saving is not None and saving.tree is not None:
        done = take_over(saving.tree, run, prepared, copy, shuffles)
        for line in changes(saving.tree, run.environment):
            saving.say(line)
    else:
        _record_epoch(run, prepared, epoch=0)
        _keep(run, prepared, 0, 1, kept)
    first = max(done - 1, 0) // prepared.steps_per_epoch + 1  # the epoch of the last step done: its end is not recorded
    for epoch in range(first, prepared.experiment.epochs + 1):
        drawn, step = shuffles.bit_generator.state, (epoch - 1) * prepared.steps_per_epoch
        for rows in _batches(prepared, shuffles):
            step += 1
            if step <= done:
                continue
            x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
            judged = (step - 1) % every == 0 or step == run.steps_planned
            # Whoever goes second finds the batch in the cache: they take turns.
            for side in list(trainers) if step % 2 else reversed(trainers):
                stepper = trainers[side] if judged or step <= TIMED else steppers[side]
                make_step(run.sides[side], trainers[side], stepper, judges[side] if judged else None, step, x, y)
            run.divergence.append(divergence(*weights))
            if copied is not None and copies is not None:
                copied.step(x, y)
                run.one_ulp_copy.append(divergence(*copies))
            _keep(run, prepared, step, epoch, kept)
            if on_step is not None:
                on_step(run)
            if stop.is_set():
                run.interrupted, run.terminated = step < run.steps_planned, stop.terminated
            last = run.interrupted or (saving is not None and saving.through and step == run.steps_planned)
            if saving is not None and (last or saving.due()) and _finite(run):
                saving.write(tree_of(run, prepared, copy, drawn, step, epoch))
            run.diverged = finite and not _finite(run)
            if run.interrupted or run.diverged:
                break
        _record_epoch(run, prepared, epoch)
        if run.interrupted or run.diverged:
            _keep(run, prepared, step, epoch, {step} - {moment.step for moment in run.moments} if kept else set())
            return


def _finite(run: Run) -> bool:
    """Whether the last step's losses are numbers: else the checkpoint before it is the last good one."""
    return all(np.isfinite(side.losses[-1]) for side in run.sides.values())


def moments(steps: int, parameters: int) -> set[int]:
    """The steps after which parameters are kept: closer together at the start, where more happens, and the last.

    Of a small net, whose pictures are small as well, there are nearly twice as many. So many numbers are not kept in
    memory that a large net would fill it: then there are fewer moments, or none.
    """
    count = min(2 * MOMENTS - 1 if parameters <= SMALL else MOMENTS, RECORDED // (2 * parameters or 1))
    return {round(steps * (i / (count - 1)) ** 2) for i in range(count)} if count > 1 else set()


def _keep(run: Run, prepared: Prepared, step: int, epoch: int, kept: set[int]) -> None:
    if step in kept:
        states = {side: trainer.model.state_dict() for side, trainer in prepared.trainers.items()}
        run.moments.append(Moment(step, epoch, states))


def one_ulp_copy(prepared: Prepared) -> Trainer:
    """A second hand-written side whose largest weight is the next number up, for comparison: it is not judged.

    How far it drifts from the first is what one rounding grows to; the two sides round differently at every step.
    """
    copy = build("scratch", prepared.experiment, prepared.data)
    model = prepared.trainers["scratch"].model
    state = model.state_dict()
    weights = [state[name] for name, _ in model.named_parameters() if state[name].size]
    if weights:
        largest = max(weights, key=lambda weight: float(np.abs(weight).max()))
        index = np.unravel_index(np.abs(largest).argmax(), largest.shape)
        largest[index] = np.nextafter(largest[index], largest.dtype.type(np.inf))
    copy.model.load_state_dict(state)
    return copy


def make_step(
    side: SideRun,
    trainer: Trainer,
    stepper: Trainer | WrittenOut,
    judge: StepJudge | None,
    step: int,
    x: Array,
    y: Target,
) -> None:
    """One timed step of one side, by its trainer or by what does the same.

    The journey of the batch to the device and the judge are outside the clock.
    """
    native_x, native_y = trainer.asarray(x), trainer.asarray(y)
    before = judge.before() if judge else None
    start = perf_counter()
    try:
        value = stepper.step(native_x, native_y)
    except (Exception, SystemExit) as error:  # of the user's net or loss, or of torch where a number has left its dtype
        raise TrainingError(f"step {step} failed on the side {side.side}: {one_line(error)}") from error
    seconds = perf_counter() - start
    if stepper is trainer:
        side.seconds.append(seconds)
    else:
        side.seconds_written_out += seconds
    side.losses.append(value)
    if judge is not None and before is not None:
        side.tally.add(step, judge.after(before, x, y, value))


def _shuffles(prepared: Prepared) -> np.random.Generator:
    """What draws the order of every epoch: a stream of its own, beside that of the weights."""
    return np.random.default_rng([prepared.experiment.seed, 1])


def _batches(prepared: Prepared, shuffles: np.random.Generator) -> Iterator[npt.NDArray[np.intp] | slice]:
    """The rows of every batch of one epoch, as indices where shuffled and as slices where taken in order."""
    rows = len(prepared.data.x_train)
    order = shuffles.permutation(rows) if prepared.experiment.shuffle else None
    for batch in range(prepared.steps_per_epoch):
        piece = slice(batch * prepared.batch_size, (batch + 1) * prepared.batch_size)
        yield piece if order is None else order[piece]


def batches(prepared: Prepared) -> Iterator[npt.NDArray[np.intp] | slice]:
    """The rows of every batch of the run, epoch after epoch."""
    shuffles = _shuffles(prepared)
    for _ in range(prepared.experiment.epochs):
        yield from _batches(prepared, shuffles)


def divergence(ours: list[Parameter], theirs: list[Parameter]) -> float:
    """max |w − w'| / max |w'| over all parameters (max |w| where w' is all zeros); NaN where either holds a NaN."""
    # one array each: after every step of a small net, a call for each parameter would take longer than the numbers
    a, b = (np.concatenate([weight.data.ravel() for weight in side]) for side in (ours, theirs))
    return float(np.abs(a - b).max(initial=0) / (np.abs(b).max(initial=0) or 1))


def _record_epoch(run: Run, prepared: Prepared, epoch: int) -> None:
    """Losses and accuracies of both sides over whole splits, with the parameters as they are; epoch 0 is untrained."""
    for side, trainer in prepared.trainers.items():
        train_loss, train_accuracy = evaluate(prepared, trainer, "train")
        held_out = prepared.data.x_test is not None
        test_loss, test_accuracy = evaluate(prepared, trainer, "test") if held_out else (None, None)
        run.sides[side].epochs.append(EpochRecord(epoch, train_loss, test_loss, train_accuracy, test_accuracy))


def evaluate(prepared: Prepared, trainer: Trainer, split: str) -> tuple[float, float | None]:
    """Loss and accuracy over one split."""
    target = prepared.cast[f"y_{split}"]
    output = output_of(trainer, prepared.cast[f"x_{split}"])
    loss = float(trainer.loss.forward(output, target))
    if prepared.data.classes is None:
        return loss, None
    answer = predicted_classes(prepared.experiment, prepared.data, output)
    return loss, float((answer == true_classes(prepared.data, target)).mean())


def output_of(trainer: Trainer, x: Array) -> Array:
    trainer.model.eval()
    output = trainer.model.forward(x)
    trainer.model.train()
    return output


def _finish(run: Run, prepared: Prepared) -> None:
    """What is measured once, at the end: confusion matrices; answers to each picture, or over the plane."""
    experiment, data, cast = prepared.experiment, prepared.data, prepared.cast
    split = "train" if data.x_test is None else "test"
    if data.x_train.shape[1] == 2:
        run.grid = lattice(data.x_train)
    for side, trainer in prepared.trainers.items():
        if data.classes is not None:
            outputs = output_of(trainer, cast[f"x_{split}"])
            answer = predicted_classes(experiment, data, outputs)
            truth = true_classes(data, cast[f"y_{split}"])
            run.sides[side].confusion = confusion_matrix(truth, answer, len(data.classes))
            run.sides[side].outputs = None if data.image is None else outputs
        if run.grid is not None:
            run.sides[side].region = output_of(trainer, run.grid.astype(experiment.dtype))


def lattice(x: Array, points: int = GRID_POINTS) -> Array:
    """A lattice over the range of `x`, shape `(n, 2)`, and a margin: `(points², 2)`, first feature fastest."""
    low, high = x.min(axis=0), x.max(axis=0)
    margin = GRID_MARGIN * (high - low)
    first, second = (np.linspace(low[i] - margin[i], high[i] + margin[i], points) for i in range(2))
    return np.stack([axis.ravel() for axis in np.meshgrid(first, second)], axis=1)


def _cast(array: Array | Target, dtype: str) -> Array | Target:
    """Floats in `dtype`; class indices stay integers."""
    with np.errstate(over="ignore"):  # what overflows is refused by name right after
        return array.astype(dtype) if array.dtype.kind == "f" else array

"""The loop keeps the best state, stops early, and survives what goes wrong."""

import math

import pytest

from madapt.training.loop import minimise


def count(state, done):
    """A step whose loss and state tell how many steps there were."""
    assert state == done
    return 100.0 - done, done + 1


def test_last_state_is_kept_without_checks():
    state, history = minimise(0, count, max_iter=7)
    assert state == history.kept == 7
    assert history.losses == [100.0 - done for done in range(7)]
    assert history.checks == []
    assert not history.interrupted


def test_best_state_is_kept():
    state, history = minimise(0, count, max_iter=50, check=lambda s: abs(s - 20), check_every=5)
    assert state == history.kept == 20
    assert len(history.losses) == 50
    assert history.checks == [(done, abs(done - 20)) for done in range(0, 51, 5)]


def test_start_is_kept_where_nothing_is_better():
    state, history = minimise(0, count, max_iter=10, check=float, check_every=5)
    assert state == history.kept == 0


def test_of_equal_states_the_first_is_kept():
    state, _ = minimise(0, count, max_iter=10, check=lambda s: min(abs(s - 2), 1), check_every=3)
    assert state == 0


def test_last_state_is_checked_whatever_the_rhythm():
    state, history = minimise(0, count, max_iter=7, check=lambda s: -s, check_every=5)
    assert [done for done, _ in history.checks] == [0, 5, 7]
    assert state == history.kept == 7


@pytest.mark.parametrize(("patience", "done"), [(1, 25), (5, 25), (6, 30), (11, 35), (500, 60)])
def test_stops_early(patience, done):
    state, history = minimise(
        0,
        count,
        max_iter=60,
        check=lambda s: abs(s - 20),
        check_every=5,
        n_iter_no_change=patience,
    )
    assert state == history.kept == 20
    assert len(history.losses) == done


def test_progress_starts_patience_anew():
    # Better at 0, 10, 20, ...; never 15 steps without a better check.
    _, history = minimise(
        0,
        count,
        max_iter=40,
        check=lambda s: -s if s % 10 == 0 else 1.0,
        check_every=5,
        n_iter_no_change=15,
    )
    assert len(history.losses) == 40


def test_no_steps():
    for check in (None, float):
        state, history = minimise(0, count, max_iter=0, check=check)
        assert state == 0
        assert history.losses == []


@pytest.mark.parametrize("checked", [True, False])
def test_interruption_keeps_what_there_is(checked):
    def step(state, done):
        if done == 12:
            raise KeyboardInterrupt
        return count(state, done)

    check = (lambda s: abs(s - 6)) if checked else None
    state, history = minimise(0, step, max_iter=50, check=check, check_every=3)
    assert history.interrupted
    assert state == history.kept == (6 if checked else 12)
    assert len(history.losses) == 12


def test_interruption_of_a_check_keeps_the_best_so_far():
    def check(state):
        if state == 9:
            raise KeyboardInterrupt
        return abs(state - 6)

    state, history = minimise(0, count, max_iter=50, check=check, check_every=3)
    assert history.interrupted
    assert state == history.kept == 6


def test_interruption_of_a_report_keeps_the_step():
    def report(done, loss):
        if done == 4:
            raise KeyboardInterrupt

    state, history = minimise(0, count, max_iter=50, report=report)
    assert history.interrupted
    assert state == history.kept == len(history.losses) == 4


def test_other_errors_are_passed_on():
    def step(state, done):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        minimise(0, step, max_iter=5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("checked", [True, False])
def test_a_loss_that_is_not_finite_ends_it(bad, checked):
    def step(state, done):
        return (bad if done == 8 else 1.0), done + 1

    check = (lambda s: abs(s - 6)) if checked else None
    state, history = minimise(0, step, max_iter=50, check=check, check_every=3)
    assert len(history.losses) == 8
    assert not history.interrupted
    assert state == history.kept
    assert state == 6 if checked else state <= 8


def test_held_out_losses_that_are_not_finite_are_never_best():
    state, history = minimise(
        0, count, max_iter=6, check=lambda s: math.nan if s > 2 else -s, check_every=2
    )
    assert state == history.kept == 2


def test_reports():
    seen = []
    minimise(0, count, max_iter=3, report=lambda done, loss: seen.append((done, loss)))
    assert seen == [(1, 100.0), (2, 99.0), (3, 98.0)]


def test_the_step_behind_a_loss_that_is_not_finite_is_taken_back():
    def step(state, done):
        # The third step leaves a state whose loss is not a number.
        return (math.nan if state == "broken" else 1.0), ("broken" if done == 2 else done + 1)

    state, history = minimise(0, step, max_iter=10)
    assert state == 2
    assert history.kept == 2

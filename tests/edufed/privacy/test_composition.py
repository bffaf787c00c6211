from __future__ import annotations

import dp_accounting
import pytest
from dp_accounting.rdp import RdpAccountant

from edufed.privacy.composition import Charge, Steps, epsilon, steps_of

#: Charges, and a grid fine enough for the reference: strong noise needs a finer one.
CASES = [
    ([Charge(1.0, 0.01, 1000)], 1e-4),
    ([Charge(5.0, 0.1, 300)], 1e-4),
    ([Charge(10.0, 1.0, 12)], 1e-4),
    ([Charge(10.0), Charge(1.0, 0.01, 1000), Charge(2.0, 0.05, 40)], 1e-4),
    ([Charge(60.0, 0.02, 20_000)], 2e-5),
]


def event(charge: Charge) -> dp_accounting.DpEvent:
    gaussian: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(charge.noise_multiplier)
    if charge.sampling_rate < 1:
        gaussian = dp_accounting.PoissonSampledDpEvent(charge.sampling_rate, gaussian)
    return dp_accounting.SelfComposedDpEvent(gaussian, charge.steps)


@pytest.mark.parametrize(("charges", "grid"), CASES)
def test_epsilon_agrees_with_finer_and_independent_accounts(charges, grid):
    got = epsilon(steps_of(charges), 1e-5)
    fine = dp_accounting.pld.PLDAccountant(value_discretization_interval=grid)
    renyi = RdpAccountant()
    for charge in charges:
        fine.compose(event(charge))
        renyi.compose(event(charge))
    assert got == pytest.approx(fine.get_epsilon(1e-5), rel=0.01)
    assert got >= 0.999 * fine.get_epsilon(1e-5)
    assert got <= renyi.get_epsilon(1e-5) <= 1.5 * got


def test_how_the_steps_are_split_into_charges_does_not_matter():
    whole = steps_of([Charge(2.0, 0.1, 60), Charge(3.0)])
    split = steps_of([Charge(2.0, 0.1, 20), Charge(3.0), Charge(2.0, 0.1, 40)])
    assert whole == split
    assert epsilon(whole, 1e-5) == epsilon(split, 1e-5)
    assert epsilon(Steps(), 1e-5) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"noise_multiplier": float("inf")},
        {"noise_multiplier": 1.0, "sampling_rate": 0.0},
        {"noise_multiplier": 1.0, "sampling_rate": 1.1},
        {"noise_multiplier": 1.0, "steps": 0},
    ],
)
def test_a_charge_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be|at least one"):
        Charge(**wrong)

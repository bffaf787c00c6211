import dp_accounting
import pytest
from dp_accounting.pld import PLDAccountant

from edufed.privacy import composition
from edufed.privacy.composition import Charge
from edufed.privacy.dp.accounting import Part, calibrate, plan, spent


def independently(charges, delta):
    accountant = PLDAccountant(value_discretization_interval=1e-4)
    for charge in charges:
        event = dp_accounting.GaussianDpEvent(charge.noise_multiplier)
        if charge.sampling_rate < 1:
            event = dp_accounting.PoissonSampledDpEvent(charge.sampling_rate, event)
        accountant.compose(event, charge.steps)
    return accountant.get_epsilon(delta)


GRID = [
    [Charge(0.9, 0.01, 200)],
    [Charge(2.0, 0.2, 50)],
    [Charge(6.0, 0.5, 20)],
    [Charge(30.0, 0.5, 40)],
    [Charge(4.0)],
    [Charge(12.0, 1.0, 30)],
    [Charge(3.0, 0.3, 20), Charge(9.0), Charge(5.0, 1.0, 2)],
]


@pytest.mark.parametrize(
    ("charges", "delta"), [*((charges, 1e-5) for charges in GRID), (GRID[1], 1e-7), (GRID[6], 1e-7)]
)
def test_reported_epsilon_equals_an_independent_recomputation_within_a_per_cent(charges, delta):
    reported = spent(charges, delta)
    assert reported == pytest.approx(independently(charges, delta), rel=0.01)


@pytest.mark.parametrize("epsilon", [0.2, 1.0, 4.0])
@pytest.mark.parametrize(("rate", "steps"), [(0.05, 100), (1.0, 20)])
def test_calibrated_noise_spends_the_budget_and_no_more(epsilon, rate, steps):
    charge = Charge(calibrate(epsilon, 1e-5, rate, steps), rate, steps)
    assert 0.99 * epsilon < spent([charge], 1e-5) <= epsilon
    assert independently([charge], 1e-5) == pytest.approx(epsilon, rel=0.01)


def test_a_plan_is_within_budget_by_the_ledgers_accountant_too():
    parts = [Part("statistics", 1), Part("training", 4, 0.5, 30), Part("evaluation", 2)]
    charges = plan(1.0, 1e-5, parts)
    assert composition.epsilon(composition.steps_of(charges), 1e-5) <= 1.0
    assert spent(charges, 1e-5) > 0.99


def test_shares_divide_the_budget():
    charges = plan(1.0, 1e-5, [Part("a", 1), Part("b", 4)])
    assert charges[0].noise_multiplier == pytest.approx(2 * charges[1].noise_multiplier)


def test_nothing_spent_costs_nothing():
    assert spent([], 1e-5) == 0


@pytest.mark.parametrize(
    ("epsilon", "delta", "parts"),
    [
        (0.0, 1e-5, [Part("a", 1)]),
        (1.0, 0.0, [Part("a", 1)]),
        (1.0, 1e-5, []),
        (1.0, 1e-5, [Part("a", 0)]),
    ],
)
def test_an_impossible_plan_is_refused(epsilon, delta, parts):
    with pytest.raises(ValueError, match=r"budget|share"):
        plan(epsilon, delta, parts)

"""What private training costs: DP-SGD (with Opacus) against plain training, samples a second."""

from __future__ import annotations

from typing import Any

import numpy as np
from privacy_secagg import Clock

from clients.training import train_locally
from edufed.models import RiskModel
from edufed.privacy.dp.training import train_privately

#: Columns of an early-warning design.
_COLUMNS = 176
_ROWS, _EPOCHS, _REPEATS = 4096, 2, 5
_MODELS: dict[str, list[int]] = {"logistic": [], "mlp [64]": [64], "mlp [128, 64]": [128, 64]}


def private_training(clock: Any) -> list[dict[str, Any]]:
    """Two epochs in batches of 64 and of 512 rows, both ways in turn, by `clock`'s seconds."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((_ROWS, _COLUMNS)).astype(np.float32)
    y = (rng.random(_ROWS) < 0.4).astype(np.float32)
    whose = np.arange(_ROWS).astype(str).astype(object)
    rows = []
    for name, hidden in _MODELS.items():
        for batch in (64, 512):
            seconds = Clock(clock)
            for seed in range(_REPEATS):
                with seconds.step("plain"):
                    train_locally(
                        RiskModel(_COLUMNS, hidden),
                        x,
                        y,
                        epochs=_EPOCHS,
                        batch_size=batch,
                        learning_rate=0.003,
                        l2=0.0,
                        proximal_mu=0.0,
                        seed=seed,
                    )
                with seconds.step("private"):
                    train_privately(
                        RiskModel(_COLUMNS, hidden),
                        x,
                        y,
                        whose,
                        noise_multiplier=1.0,
                        clip=1.0,
                        sample_rate=batch / _ROWS,
                        steps=_EPOCHS * _ROWS // batch,
                        population=float(_ROWS),
                        learning_rate=0.003,
                        optimiser="adam",
                    )
            plain, private = (_EPOCHS * _ROWS / seconds.median(way) for way in ("plain", "private"))
            rows.append(
                {
                    "part": "private training",
                    "model": name,
                    "batch": batch,
                    "samples_a_second_plain": plain,
                    "samples_a_second_private": private,
                    "times_slower": plain / private,
                }
            )
    return rows

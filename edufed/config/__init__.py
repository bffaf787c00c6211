"""Settings: what a job and a site may say in YAML, checked before anything runs."""

from edufed.config.compose import compose_job, job_from_run_config, without_privacy
from edufed.config.errors import SettingsError
from edufed.config.job import Job
from edufed.config.site import SiteSettings, load_site, simulated_sites

__all__ = [
    "Job",
    "SettingsError",
    "SiteSettings",
    "compose_job",
    "job_from_run_config",
    "load_site",
    "simulated_sites",
    "without_privacy",
]

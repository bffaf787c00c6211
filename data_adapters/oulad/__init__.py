"""The Open University Learning Analytics Dataset as learning records, one region at a time.

Kuzilek, Hlosta & Zdrahal (2017), "Open University Learning Analytics dataset", Scientific Data
4:170171, doi:10.1038/sdata.2017.171. The seven tables are read as published (CSV, `?` for a
missing value) or as Parquet of the same names, through views: nothing is held but the keys of
the region's enrolments.

What is decided here:

- A site is a region. The region stands on the enrolment row, so each enrolment belongs to one
  region and the thirteen regions share all of them out. Clicks and results follow their
  enrolment.
- With `platform`, a site is one of three platforms that share learners: the registry, which also
  assesses, a content library, and a platform for live and social learning. Each has learner ids
  of its own, and `link_id`, the number in the data, to align them by. The last two know when their
  courses begin, and of enrolments no more than whom they have seen in which course.
- A course is a presentation of a module, `AAA_2013J`. Its nominal first day is the first of
  February (B) or of October (J); the published data hold offsets from the true one only.
- A learner in several presentations is one learner, described as in the latest of them.
- Prior education becomes the ISCED 2011 level that everybody with that answer has reached:
  no formal qualifications 1, less than A level 2, A level 3, a higher-education qualification
  5, a postgraduate one 7.
- A banked result was carried over from an earlier presentation and is dated -1, the day before
  the course: known from the start, so it stays, with that day.
- 40 of 100 passes an assessment. An exam without a date is held at the end of the last week.
- An answer outside the published ones becomes missing and is counted in `source_warnings`.
"""

from data_adapters.oulad.adapter import Oulad, OuladSettings, open

__all__ = ["Oulad", "OuladSettings", "open"]

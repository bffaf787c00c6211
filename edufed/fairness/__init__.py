"""Whether a model serves groups of learners alike: pure functions over sums that add up.

`groups` says who belongs where, `told` which groups are large enough to speak of, `summaries` what
a site adds up, `abroca` the distance of two ROC curves and its randomisation test, `judgement`
makes the report's section of all that, and `lists` does so for ranked lists. Any task whose model
gives a probability of a yes or no can use them; docs/fairness.md shows how.
"""

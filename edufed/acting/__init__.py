"""From a list to what became of it: issues of lists, a log of actions, and their comparison.

`issue` names a list, `table` puts it into a database, `log` reads alerts, actions and outcomes,
`effect` compares learners who were contacted with those who were not. docs/acting.md has it step by
step.
"""

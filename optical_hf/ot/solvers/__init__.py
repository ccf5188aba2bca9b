"""The solvers: each takes a checked problem (`state.Settings`) and gives a `state.Solution`. `operator.SOLVERS` names them."""

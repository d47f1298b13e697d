"""`castmine verify`: how well models tell the tracks of a dataset apart; one table, one page."""

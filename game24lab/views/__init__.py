"""All that draws: charts, widgets, search trees. It does not know how numbers came about."""

"""How visible a change must become before a model fails."""

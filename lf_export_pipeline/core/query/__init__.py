"""From a request to SQL: statements with bound values, and the plan of their chunks."""

select statement_timestamp() as now

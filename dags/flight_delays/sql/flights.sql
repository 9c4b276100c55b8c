-- What is known of a flight before it leaves, and how late it arrived.
-- An interval is a range of local dates, its end excluded; date() is the same in SQLite and PostgreSQL.
select
    flight_date,
    carrier,
    flight,
    origin,
    dest,
    tailnum,
    time_hour,
    sched_dep_time,
    sched_arr_time,
    distance,
    arr_delay
from flights
where
    flight_date >= date(:data_interval_start)
    and flight_date < date(:data_interval_end)

-- Every plane; few of them, and they change rarely.
select
    tailnum,
    year,
    seats
from planes

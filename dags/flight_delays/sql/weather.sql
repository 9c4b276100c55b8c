-- The interval and the day before it, since a flight after midnight needs the hour before midnight.
select
    origin,
    time_hour,
    temp,
    dewp,
    humid,
    wind_dir,
    wind_speed,
    wind_gust,
    precip,
    pressure,
    visib
from weather
where
    weather_date >= coalesce(
        (select max(weather_date) from weather where weather_date < date(:data_interval_start)),
        date(:data_interval_start)
    )
    and weather_date < date(:data_interval_end)

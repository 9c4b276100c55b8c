"""From row groups to one object on S3 that becomes visible in one moment."""

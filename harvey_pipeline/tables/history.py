"""What the dimensions are derived from: which days were observed, and what they showed."""

import dataframely as dy

from harvey_pipeline.tables import columns as c


class Snapshots(dy.Schema):
    """One row per observed day whose snapshot a dimension has taken in."""

    day = c.day("Observed day.", key=True)
    form = c.text("drop (full snapshot, so absence is departure) or bulk.")


class UserIntervals(dy.Schema):
    """One row per (`user_id`, `first_day`): a run of observed days with the same showing."""

    user_id = c.text("User.", key=True)
    first_day = c.day("First observed day of the run.", key=True)
    last_day = c.day("Last observed day of the run.")
    is_sighting = c.flag("Seen only by rejected rows: present, attributes not known from here.")
    user_role = c.text("Title shown.", nullable=True)
    user_created_date = c.day("Creation date shown.", nullable=True)


class FirmIntervals(dy.Schema):
    """One row per (`firm_id`, `first_day`): a run of observed days with the same showing."""

    firm_id = c.text("Firm.", key=True)
    first_day = c.day("First observed day of the run.", key=True)
    last_day = c.day("Last observed day of the run.")
    is_sighting = c.flag("Seen only by rejected rows: present, attributes not known from here.")
    firm_size = dy.Int32(nullable=True, description="Seats shown.")
    arr_usd = c.number("Contract value shown, USD.")
    firm_created_date = c.day("Creation date shown.", nullable=True)

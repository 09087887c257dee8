"""Tables from outside, CSV or Parquet, as text columns."""

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_table(file: Path) -> "pd.DataFrame":
    """Read a CSV or Parquet file, all columns as text, empty cells as "".

    Raises:
        InputError: if it is missing or unreadable.
    """
    import pandas as pd

    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(file).astype("string").fillna("")
        return pd.read_csv(file, dtype="string", keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"There is no file {file}; name a CSV or Parquet file.") from None
    except (ValueError, OSError, UnicodeDecodeError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file} cannot be read as CSV or Parquet ({detail}); save it again as UTF-8 CSV.") from error

// A time that the server told in UTC (ISO 8601), in the reader's time zone; "day" leaves the time of day away.
function localTime(iso, detail = "minute") {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const words = { dateStyle: "medium", ...(detail === "day" ? {} : { timeStyle: "short" }) };
  return new Intl.DateTimeFormat("en-GB", words).format(at);
}

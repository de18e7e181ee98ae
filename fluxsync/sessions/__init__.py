"""URL sessions: data on the server, found again by a signed id in the page's URL."""

"""The site side: the ClientApp and what it does with the site's own data."""

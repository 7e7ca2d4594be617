"""An app's versions: upgrade and roll back a tenant, rehearse on another host, pin images, adopt a running version."""

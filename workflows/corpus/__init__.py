"""`castmine corpus`: harvest, train, cluster and report by one config, each done only where its inputs changed."""

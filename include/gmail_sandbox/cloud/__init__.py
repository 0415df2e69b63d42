"""Google Cloud and Workspace: IAM Credentials API, Security Token Service and Directory API."""

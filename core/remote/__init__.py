"""Files elsewhere: objects of S3, Google and Azure stores by fsspec, and files of web servers. Imports errors only."""

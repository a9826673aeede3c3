"""What each family of Terraform resources means for an estate, one module a family."""

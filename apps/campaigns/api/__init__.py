"""What programs see of campaigns: budgets under optimization/, messages under marketing/."""

"""NLB: https://api.alibabacloud.com/document/Nlb/2022-04-30."""

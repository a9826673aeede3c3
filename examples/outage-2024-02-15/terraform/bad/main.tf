# The login path of a web shop: internet -> load balancer "web" -> portal -> auth -> auth-db.
# API clients skip the portal: the load balancer sends /oauth2/* to auth itself.

terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

locals {
  zones = { a = 0, b = 1 }
  tags  = { Project = "identity", Release = "2024.07" }

  auth_clients = [aws_security_group.web.id]
}

# --- network ---------------------------------------------------------------------------------------------------------

resource "aws_vpc" "main" {
  cidr_block           = "10.20.0.0/16"
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = "identity" })
}

resource "aws_subnet" "public" {
  for_each                = local.zones
  vpc_id                  = aws_vpc.main.id
  availability_zone       = "eu-west-1${each.key}"
  cidr_block              = "10.20.${each.value}.0/24"
  map_public_ip_on_launch = true
  tags                    = merge(local.tags, { Name = "public-${each.key}" })
}

resource "aws_subnet" "app" {
  for_each          = local.zones
  vpc_id            = aws_vpc.main.id
  availability_zone = "eu-west-1${each.key}"
  cidr_block        = "10.20.${each.value + 10}.0/24"
  tags              = merge(local.tags, { Name = "app-${each.key}" })
}

resource "aws_subnet" "data" {
  for_each          = local.zones
  vpc_id            = aws_vpc.main.id
  availability_zone = "eu-west-1${each.key}"
  cidr_block        = "10.20.${each.value + 20}.0/24"
  tags              = merge(local.tags, { Name = "data-${each.key}" })
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = merge(local.tags, { Name = "identity" })
}

resource "aws_eip" "nat" {
  domain = "vpc"
  tags   = merge(local.tags, { Name = "nat" })
}

resource "aws_nat_gateway" "main" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public["a"].id
  tags          = merge(local.tags, { Name = "identity" })
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  tags   = merge(local.tags, { Name = "public" })

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
}

resource "aws_route_table" "app" {
  vpc_id = aws_vpc.main.id
  tags   = merge(local.tags, { Name = "app" })

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.main.id
  }
}

resource "aws_route_table_association" "public" {
  for_each       = local.zones
  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "app" {
  for_each       = local.zones
  subnet_id      = aws_subnet.app[each.key].id
  route_table_id = aws_route_table.app.id
}

# The data subnets keep the VPC's main route table, which leads nowhere else.
resource "aws_network_acl" "data" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = [for subnet in aws_subnet.data : subnet.id]
  tags       = merge(local.tags, { Name = "data" })

  ingress {
    rule_no    = 90
    action     = "deny"
    protocol   = "tcp"
    cidr_block = "10.20.0.0/16"
    from_port  = 22
    to_port    = 22
  }
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "tcp"
    cidr_block = "10.20.0.0/16"
    from_port  = 0
    to_port    = 65535
  }
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "tcp"
    cidr_block = "10.20.0.0/16"
    from_port  = 1024
    to_port    = 65535
  }
}

# --- doors -----------------------------------------------------------------------------------------------------------

resource "aws_security_group" "web" {
  name        = "web"
  description = "Load balancer of the shop"
  vpc_id      = aws_vpc.main.id
  tags        = merge(local.tags, { Name = "web" })

  ingress {
    description      = "everybody"
    protocol         = "tcp"
    from_port        = 443
    to_port          = 443
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
  egress {
    description = "targets"
    protocol    = "tcp"
    from_port   = 8080
    to_port     = 8443
    cidr_blocks = ["10.20.0.0/16"]
  }
}

resource "aws_security_group" "portal" {
  name        = "portal"
  description = "Portal, where people log in"
  vpc_id      = aws_vpc.main.id
  tags        = merge(local.tags, { Name = "portal" })

  ingress {
    description     = "load balancer"
    protocol        = "tcp"
    from_port       = 8080
    to_port         = 8080
    security_groups = [aws_security_group.web.id]
  }
  egress {
    description = "anywhere"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "auth" {
  name        = "auth"
  description = "Authentication service"
  vpc_id      = aws_vpc.main.id
  tags        = merge(local.tags, { Name = "auth" })

  ingress {
    description     = "tokens"
    protocol        = "tcp"
    from_port       = 8443
    to_port         = 8443
    security_groups = local.auth_clients
  }
  egress {
    description = "anywhere"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "auth_db" {
  name        = "auth-db"
  description = "Database of the authentication service"
  vpc_id      = aws_vpc.main.id
  tags        = merge(local.tags, { Name = "auth-db" })
}

resource "aws_vpc_security_group_ingress_rule" "auth_db_from_auth" {
  security_group_id            = aws_security_group.auth_db.id
  referenced_security_group_id = aws_security_group.auth.id
  description                  = "accounts and sessions"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  tags                         = merge(local.tags, { Name = "auth-db-from-auth" })
}

# --- load balancer ---------------------------------------------------------------------------------------------------

resource "aws_lb" "web" {
  name               = "web"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.web.id]
  subnets            = [for subnet in aws_subnet.public : subnet.id]
  tags               = merge(local.tags, { Name = "web" })
}

resource "aws_lb_target_group" "portal" {
  name     = "portal"
  port     = 8080
  protocol = "HTTP"
  vpc_id   = aws_vpc.main.id
  tags     = merge(local.tags, { Name = "portal" })

  health_check {
    path = "/healthz"
  }
}

resource "aws_lb_target_group" "auth" {
  name     = "auth"
  port     = 8443
  protocol = "HTTPS"
  vpc_id   = aws_vpc.main.id
  tags     = merge(local.tags, { Name = "auth" })

  health_check {
    path     = "/healthz"
    protocol = "HTTPS"
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.web.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = "arn:aws:acm:eu-west-1:123456789012:certificate/6f0c2f6e-4c1b-4f0e-9d0a-3a5f6c1e7b21"
  tags              = merge(local.tags, { Name = "https" })

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.portal.arn
  }
}

resource "aws_lb_listener_rule" "oauth2" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  tags         = merge(local.tags, { Name = "oauth2" })

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.auth.arn
  }
  condition {
    path_pattern {
      values = ["/oauth2/*"]
    }
  }
}

# --- machines --------------------------------------------------------------------------------------------------------

resource "aws_launch_template" "portal" {
  name                   = "portal"
  image_id               = "ami-0c9d8e7f6a5b40707"
  instance_type          = "m6i.large"
  vpc_security_group_ids = [aws_security_group.portal.id]
  tags                   = merge(local.tags, { Name = "portal" })
}

resource "aws_launch_template" "auth" {
  name                   = "auth"
  image_id               = "ami-0c9d8e7f6a5b40707"
  instance_type          = "m6i.large"
  vpc_security_group_ids = [aws_security_group.auth.id]
  tags                   = merge(local.tags, { Name = "auth" })
}

resource "aws_autoscaling_group" "portal" {
  name                = "portal"
  min_size            = 2
  max_size            = 6
  target_group_arns   = [aws_lb_target_group.portal.arn]
  vpc_zone_identifier = [for subnet in aws_subnet.app : subnet.id]

  launch_template {
    id      = aws_launch_template.portal.id
    version = "$Latest"
  }
}

resource "aws_autoscaling_group" "auth" {
  name                = "auth"
  min_size            = 2
  max_size            = 6
  target_group_arns   = [aws_lb_target_group.auth.arn]
  vpc_zone_identifier = [for subnet in aws_subnet.app : subnet.id]

  launch_template {
    id      = aws_launch_template.auth.id
    version = "$Latest"
  }
}

resource "aws_db_subnet_group" "auth" {
  name       = "auth"
  subnet_ids = [for subnet in aws_subnet.data : subnet.id]
  tags       = merge(local.tags, { Name = "auth" })
}

resource "aws_db_instance" "auth" {
  identifier                  = "auth"
  engine                      = "postgres"
  engine_version              = "15.5"
  instance_class              = "db.m6g.large"
  allocated_storage           = 100
  username                    = "auth"
  manage_master_user_password = true
  db_subnet_group_name        = aws_db_subnet_group.auth.name
  vpc_security_group_ids      = [aws_security_group.auth_db.id]
  skip_final_snapshot         = true
  tags                        = merge(local.tags, { Name = "auth" })
}

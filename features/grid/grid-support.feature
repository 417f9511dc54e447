@grid
Feature: What the PCS does for the grid
  A controller of the grid writes curves and limits into the SunSpec registers of the PCS; they act there, whoever gives the set point.

  Scenario: An adopted volt-var curve answers a change of the grid voltage
    Given the plant discharges at 0.2 C
    When the operator asks the PCS for the volt-var curve 95/30 99/0 101/0 105/-30
    Then within 1 s the acting volt-var curve of the PCS begins at 95/30
    When the operator switches volt-var of the PCS on
    And the grid voltage steps to 104 % of nominal
    Then within 10 s the PCS absorbs at least 340 kvar [D: 22.5 % of 1725 kVA is 388 kvar; 90 % of it after 5 s, product file]
    When the grid voltage recovers
    Then within 20 s the PCS exchanges at most 20 kvar [D: between 99 and 101 % the curve is 0]

  Scenario: A curve that would drive the voltage away is refused and the old one stays
    Given the plant discharges at 0.2 C
    When the operator asks the PCS for the volt-var curve 95/30 99/0 101/0 105/-30
    Then within 1 s the acting volt-var curve of the PCS begins at 95/30
    When the operator switches volt-var of the PCS on
    And the operator asks the PCS for the volt-var curve 95/-30 105/30
    Then within 1 s the PCS has refused the volt-var curve
    And still the acting volt-var curve of the PCS begins at 95/30
    When the grid voltage steps to 104 % of nominal
    Then within 10 s the PCS absorbs at least 340 kvar [D: as the curve adopted first]

  Scenario: A limit of active power ends when its time is over
    Given the plant discharges at 0.4 C
    When the operator limits the PCS to 15 % for 20 s
    Then within 2 s the PCS delivers at most 262 kW [D: 15 % of 1725 kW is 258.8 kW]
    When 17 s pass
    Then still the PCS delivers at most 262 kW
    And between 2 and 5 s later the PCS delivers at least 430 kW [SunSpec 704 WMaxLimPctRvrtTms; D: three clusters at 0.4 C give 456 kW]
